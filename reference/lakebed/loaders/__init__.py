"""Floor 7. Feeding a training loop: ``ds.loader(...)`` gives numpy batches from disk or from an object store.

    for batch in ds.loader(tensors=["images", "labels"], batch_size=64, shuffle=True, seed=7):
        batch["images"], batch["labels"]

:mod:`lakebed.loaders.torch` gives datasets for ``torch.utils.data.DataLoader``, :mod:`lakebed.loaders.ray` a source and
a sink for Ray Data. JAX and TensorFlow need neither, for a batch is a dict of numpy arrays; with a ``transform`` that
makes shapes equal, and text left out of ``tensors``:

    batches = ds.loader(..., drop_last=True, rank=jax.process_index(), world_size=jax.process_count())
    for batch in map(jax.device_put, batches):
        state, loss = step(state, batch)

    spec = {"x": tf.TensorSpec((None, 224, 224, 3), tf.uint8), "y": tf.TensorSpec((None,), tf.int64)}
    batches = tf.data.Dataset.from_generator(lambda: ds.loader(..., seed=7), output_signature=spec).prefetch(2)
    model.fit(batches)

What waits in memory: at most ``buffer_bytes`` of rows (stored bytes of files and of units of one item, decoded values
of anything else), 16 requests of 2 MiB, ``prefetch + threads`` batches that are made or being made, and 8 to 32 bytes
a row of the dataset for the order. Only a single row, unit or batch larger than that gets more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from ..dataset import Dataset
from .cache import CachedStore
from .loader import Loader, Settings, Skipped
from .order import Quality, quality
from .source import Source, source

BUFFER_BYTES = 256 << 20
CACHE_BYTES = 16 << 30


def loader(
    ds: Dataset,
    *,
    tensors: Sequence[str] | None = None,
    batch_size: int = 32,
    shuffle: bool | str = False,
    seed: int = 0,
    buffer_bytes: int = BUFFER_BYTES,
    threads: int | None = None,
    prefetch: int = 2,
    rank: int = 0,
    world_size: int = 1,
    transform: Callable[[dict[str, Any]], Any] | None = None,
    collate: Callable[[list[Any]], Any] | None = None,
    drop_last: bool = False,
    on_error: str | Callable[[Skipped], object] = "raise",
    epoch: int = 0,
    timeout: float = 600.0,
    cache: str | os.PathLike[str] | None = None,
    cache_bytes: int = CACHE_BYTES,
) -> Loader:
    """Batches of the commit that ``ds`` stands at: ``{tensor: column}``, a column an array ``(rows, *shape)`` when all
    samples have one shape, else a list (None for a missing sample; str, lists and the like by htype).

    tensors       names; default all
    shuffle       True or "chunk-buffer": blocks of rows in random order, rows within ``buffer_bytes`` in random order;
                  "full": one uniform permutation, each row read on its own; False: as stored
    seed, epoch   decide the order, whatever ``threads`` is; every ``iter`` begins the next epoch, in another order
    buffer_bytes  bound of what waits, see above; larger mixes better. Part of what decides the order
    threads       that make batches (default: one for each CPU); ``transform`` and ``collate`` run in them
    prefetch      batches made ahead, beside those that the threads are at
    rank, world_size  this process's part: parts differ by at most one row, nothing is padded or given twice
    transform     from one row ``{tensor: sample}`` to what ``collate`` takes a list of
    drop_last     only full batches, equally many for every rank; the rows left out differ from epoch to epoch
    on_error      a row that cannot be decoded: "raise" its error, or "skip" it: its batch is shorter by it, and
                  ``loader.skipped`` says which and why. A function is told each :class:`Skipped` as its batch comes.
                  A store that fails is always raised
    timeout       seconds for opening and for any batch, after which E_STORE is raised
    cache         a folder that keeps up to ``cache_bytes`` of what a store without mapping gave

    Errors: E_ARGUMENT, E_TENSOR_ABSENT, and while iterating those of reading, with the row's number.
    """
    kind = shuffle if isinstance(shuffle, str) else "chunk-buffer" if shuffle else "none"
    settings = Settings(
        batch_size=batch_size,
        shuffle=kind,
        seed=seed,
        buffer_bytes=buffer_bytes,
        threads=threads,
        prefetch=prefetch,
        rank=rank,
        world_size=world_size,
        transform=transform,
        collate=collate,
        drop_last=drop_last,
        on_error=on_error,
        timeout=timeout,
        cache=cache,
        cache_bytes=cache_bytes,
    )
    return Loader(source(ds, tensors), settings, epoch)


__all__ = [
    "BUFFER_BYTES",
    "CachedStore",
    "Loader",
    "Quality",
    "Settings",
    "Skipped",
    "Source",
    "loader",
    "quality",
    "source",
]
