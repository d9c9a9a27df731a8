"""IGC-Santé publication point: authority certificates and revocation lists."""
