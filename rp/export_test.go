package rp

// IsLocal reports whether an address is a path of the application.
func IsLocal(address string) bool { return isLocal(address) }
