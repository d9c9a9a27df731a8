"""The synthetic patients, professionals, structures and mailboxes every service shares."""
