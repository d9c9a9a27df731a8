"""Every exchange, byte for byte, with findings; hash chain; search."""
