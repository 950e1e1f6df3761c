"""`connexion run` without its reloader process and its log; arguments: DOCUMENT PORT.

Runs in its own environment, which has connexion but not mockhub.
"""

import logging
import sys

import uvicorn
from connexion.cli import create_app, parser

document, port = sys.argv[1:]
app = create_app(parser.parse_args(["run", "--mock", "all", "--app-framework", "async", document]))
logging.disable(logging.WARNING)
uvicorn.run(app, port=int(port), log_level="error")
