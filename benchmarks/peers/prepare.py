"""Installs the peers and makes the models for them: `make peers`. What is there already is used again.

Everything goes to the folder that SMALLWRIGHT_PEERS names, by default `smallwright/peers` in the user's cache.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # `peers` is a package beside the benchmarks

from peers.encoder import prepare_encoder
from peers.exports import list_models, prepare_model
from peers.install import install_all
from peers.layout import PeersError, find_layout
from peers.shapes import SHAPES


def main() -> None:
    """Install, then make the files of every model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", default=",".join(SHAPES), help="which decoders, with commas between")
    names = list_models(parser.parse_args().models)
    try:
        layout = find_layout()
        print(f"the peers live in {layout.root}", flush=True)
        install_all(layout)
        for name in names:
            prepare_model(layout, name)
        prepare_encoder(layout)
    except PeersError as error:
        sys.exit(f"peers: {error}")
    print("the peers are ready")


if __name__ == "__main__":
    main()
