"""Reception: the C-STORE and C-ECHO service class provider and the instance store."""
