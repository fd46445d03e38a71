"""Ports that implement nothing: their scores are the floor that any real port must clear.

``accept`` says yes to all, ``refuse`` no to all, ``zeros`` gives zeros of the right shape, ``echo`` sends the request
back, ``hang`` answers hello and nothing else, ``liar`` declares everything and skips everything, ``guess`` refuses
with the commonest code. ``ceilings.json`` holds the most that each may score.
"""

from __future__ import annotations
