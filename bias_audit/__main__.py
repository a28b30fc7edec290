"""`python -m bias_audit` is `bias-audit`."""

from bias_audit.cli import main

raise SystemExit(main())
