"""HTTP listeners: TLS, recording, faults; a service gets a `Call` and gives a `Reply`."""
