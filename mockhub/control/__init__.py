"""The control plane: the HTTP interface under `/_mockhub` that creates and steers hubs."""

from pathlib import Path

OPENAPI_FILE = Path(__file__).with_name("control.yaml")
