"""INSi teleservice."""
