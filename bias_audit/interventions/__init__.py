"""Changes pictures on purpose: cuts out and pastes objects, exchanges backgrounds, erases regions."""
