"""One room per national service; a mock imports `segur`, never another mock."""
