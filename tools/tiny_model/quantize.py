"""Make the text model's file that ships out of the one that train.py writes.

python tools/tiny_model/quantize.py build/inferencekey-tiny-f16.gguf

Of the layers' matrices, 32 numbers in a row become 32 whole numbers of four bits and one scale:
the format Q4_0 of llama.cpp, written by its own package. A third of the size, and the same answers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import gguf
import numpy as np
from corpus import ROOT

SHIPPED = ROOT / "inferencekey/local/models/inferencekey-tiny.gguf"
LAYERS = gguf.GGMLQuantizationType.Q4_0
FILE_TYPE = gguf.LlamaFileType.MOSTLY_Q4_0
KEYS_OF_THE_WRITER = {"general.architecture", gguf.Keys.General.FILE_TYPE}


def write(path: Path, trained: gguf.GGUFReader) -> None:
    """Write `path`: words and tokens as they are, the layers' matrices quantised."""
    writer = gguf.GGUFWriter(path, "llama")
    for field in trained.fields.values():
        if not field.name.startswith("GGUF.") and field.name not in KEYS_OF_THE_WRITER:
            kind, *of = field.types
            writer.add_key_value(field.name, field.contents(), kind, of[0] if of else None)
    writer.add_file_type(FILE_TYPE)
    for tensor in trained.tensors:
        kind = _kind(tensor)
        array = gguf.quantize(tensor.data.astype(np.float32), kind)
        writer.add_tensor(tensor.name, array, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _kind(tensor: gguf.ReaderTensor) -> gguf.GGMLQuantizationType:
    """The layers' matrices are quantised. The embedding, which is the output too, is not: mistralrs
    0.9 refuses a quantised output for two prompts at once. Norms are too few to matter."""
    layers = tensor.name.startswith("blk.") and tensor.data.ndim > 1
    return LAYERS if layers else tensor.tensor_type


def main() -> None:
    """Read the options, write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trained", type=Path, help="the F16 file of train.py")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="the file to write")
    args = parser.parse_args()
    write(args.out, gguf.GGUFReader(args.trained))


if __name__ == "__main__":
    main()
