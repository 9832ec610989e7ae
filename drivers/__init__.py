"""Everything that runs on the user's machine: packing, the loop, the run directory, the runners, export and pictures."""

import jobs  # noqa: F401  (sets what numpy reads when it is first imported)
from drivers import interruption

# Before the imports that take long.
if interruption.is_our_program():
    interruption.install()
