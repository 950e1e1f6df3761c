"""The checks, one module per group of clauses, in the order in which they run."""

# isort: off
from . import models as models
from . import auth as auth
from . import body_parsing as body_parsing
from . import field_constraints as field_constraints
from . import field_defaults as field_defaults
from . import reference_images as reference_images
from . import sync_generation as sync_generation
from . import response_shape as response_shape
from . import timestamps as timestamps
from . import images as images
from . import async_submission as async_submission
from . import async_polling as async_polling
from . import retrieval as retrieval
from . import ownership as ownership
from . import refunds as refunds
from . import charges as charges
from . import insufficient_credits as insufficient_credits
from . import concurrency as concurrency
from . import balance as balance
from . import errors as errors
from . import routing as routing
from . import credentials as credentials
# isort: on
