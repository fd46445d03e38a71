"""Floor 0. Every error of Lakebed: one tree, split by what the caller can do about it.

    LakebedError
    ├─ FormatError        stored bytes break a rule: run `lakebed check`, then `lakebed recover`
    ├─ UnsupportedError   the bytes are fine, but need something this reader lacks
    ├─ NotFoundError      no such dataset, commit, tag, branch, tensor, sample or object
    ├─ ConflictError      somebody else changed the same thing first
    ├─ FidelityError      the sample cannot be kept as precisely as the tensor promises
    ├─ InputError         the sample or the argument is not one the tensor takes
    └─ StoreError         the store failed, or the outcome of a write is unknown

Each carries ``code`` (closed registry, ``spec/registry/errors.json``), ``clause`` (the dotted name of the sentence
in the spec), ``object`` (the store's key or the tensor's name) and ``offset`` (bytes), and says what to do next.
"""

from __future__ import annotations


class LakebedError(Exception):
    """Root of the tree; build one with :func:`error`, which picks the class from the code."""

    def __init__(
        self, code: str, clause: str, detail: str, *, object: str | None = None, offset: int | None = None
    ) -> None:
        self.code = code
        self.clause = clause
        self.detail = detail
        self.object = object
        self.offset = offset
        super().__init__(detail)

    def __str__(self) -> str:
        place = "" if self.object is None else f" in {self.object}"
        place += "" if self.offset is None else f" at byte {self.offset}"
        return f"{self.detail}{place} [{self.code} {self.clause}]. {CODES[self.code].next}"

    def __reduce__(self):  # worker processes hand errors back by pickle; keywords need help
        return _rebuild, (type(self), self.code, self.clause, self.detail, self.object, self.offset)


class FormatError(LakebedError):
    """Stored bytes break a rule of the format."""


class UnsupportedError(LakebedError):
    """Something newer, optional or not installed is needed."""


class NotFoundError(LakebedError, LookupError):
    """There is no such thing; also a ``LookupError``."""


class OutOfRangeError(NotFoundError, IndexError):
    """A sample number outside the tensor; also an ``IndexError``, so that iteration ends."""


class ConflictError(LakebedError):
    """Another writer committed first and both changed the same thing."""


class FidelityError(LakebedError):
    """Storing this would lose more than the tensor's fidelity allows."""


class InputError(LakebedError, ValueError):
    """The caller's sample, name or argument is refused; nothing was stored."""


class StoreError(LakebedError, OSError):
    """The store failed, or it is unknown whether a write took place."""

    __str__ = LakebedError.__str__


class Code:
    """One row of the error registry: its kind (which class), what it means, what to do next."""

    __slots__ = ("kind", "meaning", "next")

    def __init__(self, kind: type[LakebedError], meaning: str, next: str) -> None:
        self.kind, self.meaning, self.next = kind, meaning, next


_CHECK = "Run `lakebed check`, then `lakebed recover` into a copy."
_PORT = "The writer of this dataset broke the format: report it there; `lakebed check` lists every finding."
_NEWER = "Use a reader that knows it: upgrade lakebed."

CODES: dict[str, Code] = {
    # documents
    "E_JSON_LIMIT": Code(FormatError, "a JSON document passes a limit", _PORT),
    "E_JSON_CRC": Code(FormatError, "a JSON document's checksum is absent or wrong", _CHECK),
    "E_JSON_SYNTAX": Code(FormatError, "not the JSON that the format allows", _PORT),
    "E_JSON_DUPLICATE": Code(FormatError, "a JSON object names a member twice", _PORT),
    "E_VERSION": Code(UnsupportedError, "a format version this reader does not know", _NEWER),
    "E_REQUIRES_READ": Code(UnsupportedError, "reading needs a feature this reader does not know", _NEWER),
    "E_REQUIRES_WRITE": Code(UnsupportedError, "writing needs a feature this writer does not know", _NEWER),
    "E_COMMIT_FIELD": Code(FormatError, "a commit's member is missing or has a wrong value", _PORT),
    "E_COMMIT_PLACE": Code(FormatError, "a commit is not the one its key names", _CHECK),
    "E_COMMIT_PARENT": Code(FormatError, "a commit's parent is not what the commit says", _CHECK),
    "E_TENSOR_FIELD": Code(FormatError, "a tensor's member is missing or has a wrong value", _PORT),
    "E_TABLE_COLUMNS": Code(FormatError, "a table has an unknown, missing or uneven column", _PORT),
    "E_SLICE": Code(FormatError, "a slice names no chunk or no samples", _PORT),
    "E_LENGTH": Code(FormatError, "a tensor's slices do not add up to the dataset's length", _PORT),
    "E_MANIFEST": Code(FormatError, "a manifest is not the one that the commit names", _CHECK),
    "E_TAG": Code(FormatError, "a tag's member is missing or has a wrong value", _PORT),
    "E_TAG_TARGET": Code(FormatError, "a tag's commit is not the one that was tagged", _CHECK),
    "E_NAME": Code(InputError, "a name that the format does not allow", "Choose a name of the allowed form."),
    # chunks
    "E_OBJECT_MISSING": Code(FormatError, "an object that a commit needs is not in the store", _CHECK),
    "E_TRUNCATED": Code(FormatError, "an object ends too early", _CHECK),
    "E_CHUNK_HEAD": Code(FormatError, "a chunk's head is not the fixed 64 bytes", _CHECK),
    "E_CHUNK_MAGIC": Code(FormatError, "a chunk's trailer does not end with the magic", _CHECK),
    "E_CHUNK_SIZE": Code(FormatError, "a chunk's lengths differ from each other or from the commit", _CHECK),
    "E_CHUNK_CRC": Code(FormatError, "a chunk's index or trailer is damaged", _CHECK),
    "E_CHUNK_HASH": Code(FormatError, "a chunk's bytes do not hash to its name", _CHECK),
    "E_CHUNK_RESERVED": Code(FormatError, "reserved bytes of a chunk's trailer are not zero", _PORT),
    "E_CHUNK_VERSION": Code(UnsupportedError, "a chunk layout this reader does not know", _NEWER),
    "E_CHUNK_FEATURE": Code(UnsupportedError, "a chunk needs a feature this reader does not know", _NEWER),
    "E_CHUNK_TENSOR": Code(FormatError, "a chunk does not fit the tensor that uses it", _PORT),
    "E_SLICE_RANGE": Code(FormatError, "a slice reaches past its chunk's samples", _PORT),
    "E_INDEX_SYNTAX": Code(FormatError, "an index is not the MessagePack that the format allows", _PORT),
    "E_INDEX_FIELD": Code(FormatError, "a key of an index is missing or has a wrong type", _PORT),
    "E_INDEX_LIMIT": Code(FormatError, "a number in an index passes a limit", _PORT),
    "E_INDEX_COLUMN": Code(FormatError, "a column of an index has a wrong length or width", _PORT),
    "E_INDEX_MISSING": Code(FormatError, "missing samples are marked wrongly", _PORT),
    "E_INDEX_TILE": Code(FormatError, "a tile shape does not fit", _PORT),
    "E_INDEX_UNIT": Code(FormatError, "units do not add up to the items", _PORT),
    "E_INDEX_CODEC": Code(FormatError, "a unit's codec is not one of the chunk's pipelines", _PORT),
    "E_INDEX_STORED": Code(FormatError, "stored lengths do not add up to the payload", _PORT),
    "E_INDEX_SEEK": Code(FormatError, "a seek entry of an index breaks a rule or is not true", _PORT),
    "E_INDEX_CANONICAL": Code(FormatError, "an index is not in its one canonical encoding", _PORT),
    "E_UNIT_CRC": Code(FormatError, "a unit's bytes are damaged", _CHECK),
    "E_VALUE_BOOL": Code(FormatError, "a boolean is neither 0 nor 1", _PORT),
    "E_VALUE_TEXT": Code(FormatError, "stored text is not what its htype says", _PORT),
    "E_CODEC_DATA": Code(FormatError, "compressed bytes do not decode to what the index promises", _CHECK),
    "E_MEDIA_SHAPE": Code(FormatError, "a file's own header disagrees with the recorded shape or dtype", _CHECK),
    "E_FIDELITY_BROKEN": Code(FormatError, "stored data break the fidelity that the tensor declares", _PORT),
    "E_DTYPE_UNSUPPORTED": Code(
        UnsupportedError, "a dtype this reader cannot represent", "Install lakebed[numeric] or upgrade."
    ),
    "E_CODEC_UNSUPPORTED": Code(
        UnsupportedError,
        "a codec this reader does not know",
        "Install the extra named above or upgrade; `file(i)` still gives the stored bytes.",
    ),
    "E_EXTRA_MISSING": Code(UnsupportedError, "an optional library is not installed", "Install the extra named above."),
    # looking things up
    "E_DATASET_ABSENT": Code(NotFoundError, "no dataset at this place", "Check the path, or create it."),
    "E_DATASET_EXISTS": Code(
        InputError, "a dataset is already there", "Use lakebed.open(path, mode='a') or another place."
    ),
    "E_COMMIT_ABSENT": Code(NotFoundError, "no such commit", "See `lakebed log`."),
    "E_BRANCH_ABSENT": Code(NotFoundError, "no such branch", "See `lakebed info`."),
    "E_TAG_ABSENT": Code(NotFoundError, "no such tag", "See `lakebed info`."),
    "E_TENSOR_ABSENT": Code(NotFoundError, "no such tensor", "See `lakebed info` for the names."),
    "E_SAMPLE_RANGE": Code(OutOfRangeError, "no such sample", "Use a number below the length."),
    "E_FILE_ABSENT": Code(NotFoundError, "a sample was not stored as a file", "Read it as an array instead."),
    # writing
    "E_CONFLICT": Code(ConflictError, "another writer changed the same tensors", "Open again and redo the change."),
    "E_BRANCH_CLOSED": Code(ConflictError, "the branch is closed", "Make a new branch from its last commit."),
    "E_BRANCH_EXISTS": Code(
        ConflictError, "the branch's name is taken", "Choose another; names are never reused."
    ),
    "E_TAG_EXISTS": Code(ConflictError, "the tag's name is taken", "Choose another name; tags never move."),
    "E_COMMIT_UNKNOWN": Code(
        StoreError,
        "it is unknown whether the commit took place",
        "Open again and look at the log before you repeat anything.",
    ),
    "E_STORE": Code(
        StoreError, "the store failed, or cannot do this", "See the cause above; a passing failure is worth a retry."
    ),
    "E_STORE_EXCLUSIVE": Code(
        StoreError, "the store cannot create a file exclusively", "Use a store with put-if-absent (or hard links)."
    ),
    "E_READ_ONLY": Code(
        InputError,
        "the dataset is open for reading",
        "Open it with mode='a', at a branch's head, in a place that takes writes.",
    ),
    "E_TENSOR_EXISTS": Code(InputError, "the tensor is already there", "Choose another name, or delete it first."),
    "E_ARGUMENT": Code(InputError, "an argument is not understood", "See the docstring."),
    "E_SAMPLE_DTYPE": Code(
        InputError, "a sample's values do not fit the tensor's dtype", "Convert it yourself, or choose another dtype."
    ),
    "E_SAMPLE_SHAPE": Code(
        InputError, "a sample's shape does not fit the tensor's", "Check the axes, or make the axis free (None)."
    ),
    "E_SAMPLE_HTYPE": Code(
        InputError, "a sample breaks a rule of the tensor's htype", "See the htype in the spec."
    ),
    "E_SAMPLE_FILE": Code(
        InputError, "a file is truncated, corrupt or of an unknown format", "Leave it out, or repair it."
    ),
    "E_SAMPLE_LIMIT": Code(InputError, "a sample is larger than the format allows", "Cut it into several samples."),
    "E_FIDELITY": Code(
        FidelityError,
        "the sample cannot be stored as precisely as the tensor promises",
        "Choose a lossless codec, or declare a weaker fidelity when the tensor is created.",
    ),
    "E_FIDELITY_LABEL": Code(
        FidelityError, "labels, masks, boxes and text never take a lossy codec", "Choose a lossless codec."
    ),
    "E_FILE_FORMAT": Code(
        FidelityError,
        "a file of another format would have to be re-encoded",
        "Append the decoded array, list its format among the tensor's codecs, or declare fidelity='lossy'.",
    ),
}


def error(
    code: str, clause: str, detail: str, *, object: str | None = None, offset: int | None = None
) -> LakebedError:
    """The error for ``code``, of the class that its row in :data:`CODES` names."""
    return CODES[code].kind(code, clause, detail, object=object, offset=offset)


def _rebuild(kind, code, clause, detail, object, offset):
    return kind(code, clause, detail, object=object, offset=offset)
