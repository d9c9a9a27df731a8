"""The database engine every room keeps its tables in."""
