"""How a result looks in a notebook, on paper and on slides: HTML of a run, and figures. `report` makes its page."""
