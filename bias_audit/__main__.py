"""`python -m bias_audit` is `bias-audit`."""

import os
import sys

# Python puts the working folder first on the path here, where a keras.py or an h5py.py in it would run in their place.
# The command looks there last, and only once a module is named. Where the package itself lies there, it stays findable.
if not sys.flags.safe_path and sys.path and os.path.abspath(sys.path[0]) == os.getcwd():
    folder = sys.path.pop(0)
    if os.path.dirname(os.path.dirname(os.path.abspath(__file__))) == os.getcwd():
        sys.path.append(folder)

from bias_audit.cli import main

raise SystemExit(main())
