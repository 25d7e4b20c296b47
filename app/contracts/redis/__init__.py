"""Redis, as both processes use it: the connection, the queues, locks, leases and counters."""
