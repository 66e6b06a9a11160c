"""Bytes on disk -> batches; no model code.

The way of one example of a tar archive until it is pixels:

- `sources/source.py`: `expand` makes what the user names a `Source`, which opens as a file of bytes.
- `sources/tar_headers.py`: `entries` reads the headers of an archive forward, an `ArchiveEntry` for each.
- `sources/archive.py` makes a `Member` of each example: name, place, label, bytes if read in passing.
- `sources/formats.py`: `scan_members` does so for a source of any format.
- `archives/index.py`: an `Index` keeps what was found, and reads the bytes of members when needed.
- `archives/opened.py`: `open_archives` opens sources with their indexes, as a `Archives`.
- `archives/order.py`: `Archives.order` yields members by a pure function of seed and position.
- `input/batches.py` gathers chunks of them for threads, and makes a `Batch` of what these return.
- `images/reader.py` reads the bytes of many members at once; `images/decode.py` makes them pixels.
- `input/stream.py` hands batches to any framework, `input/input_fns.py` to `tf.data`.
"""
