"""The deterministic checks, in the order in which they run."""

# isort: off
from . import models as models
from . import auth as auth
from . import request_fields as request_fields
from . import reference_images as reference_images
from . import sync_generation as sync_generation
from . import async_tasks as async_tasks
from . import retrieval as retrieval
from . import charges as charges
from . import refunds as refunds
from . import insufficient_credits as insufficient_credits
from . import accounting as accounting
from . import balance as balance
from . import provider_states as provider_states
from . import errors as errors
# isort: on
