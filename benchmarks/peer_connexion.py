"""`connexion run`, less the process that looks for changes and the log: DOCUMENT PORT.

It runs in an environment of its own, which has connexion and nothing of ours.
"""

import logging
import sys

import uvicorn
from connexion.cli import create_app, parser

document, port = sys.argv[1:]
app = create_app(parser.parse_args(["run", "--mock", "all", "--app-framework", "async", document]))
logging.disable(logging.WARNING)
uvicorn.run(app, port=int(port), log_level="error")
