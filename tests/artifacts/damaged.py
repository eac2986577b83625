"""Run in a process of its own: decodes damaged files of one codec, with little memory. What ends or stalls the process is found by whoever started it.

``python damaged.py CODEC FILE COUNT`` prints how often there was a value and how often which error.
"""

from __future__ import annotations

import json
import random
import resource
import sys
import warnings
from collections import Counter
from pathlib import Path

from sematic_airflow_provider.artifacts.codecs.registry import codec_named
from sematic_airflow_provider.errors import ArtifactError

MEMORY = 1 << 30
_ODD = (0, 1, 0x7F, 0x80, 0xFF)


def damaged(whole: bytes, seed: int) -> bytes:
    """A file with something wrong: cut, flipped, overwritten, with bytes too many or missing, or nothing but noise."""
    chance, data = random.Random(seed), bytearray(whole)
    place = chance.randrange(len(data))
    match seed % 6:
        case 0:
            return bytes(data[:place])
        case 1:
            for _ in range(chance.choice([1, 1, 1, 4])):
                data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case 2:
            data[place] = chance.choice(_ODD)
        case 3:
            data[place : place + chance.randrange(9)] = chance.randbytes(chance.randrange(9))
        case 4:
            start = place % min(len(data), 200)
            data[start : start + 8] = bytes([chance.choice(_ODD)] * 8)
        case _:
            return chance.randbytes(chance.randrange(300))
    return bytes(data)


def main(name: str, path: str, count: str) -> None:
    """Decode ``count`` damaged files."""
    codec, whole, found = codec_named(name), Path(path).read_bytes(), Counter[str]()
    codec.decode(memoryview(whole))  # loads its library
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for seed in range(int(count)):
        print(seed, file=sys.stderr, flush=True)
        data = damaged(whole, seed)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                codec.decode(memoryview(data))
            found["a value"] += 1
        except ArtifactError as error:
            found[type(error).__name__] += 1
        except Exception as error:  # noqa: BLE001 - decoders raise what they like; MemoryError would be the limit
            found[type(error).__name__] += 1
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
