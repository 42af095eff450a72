// Package signing keeps the provider's key pairs: it makes them, seals the private halves, signs with the active ones and publishes the
// public ones.
//
// A key is next (published, not signing yet), active (signs; one per algorithm over all nodes) or retired (published so that what it
// signed can still be verified). The private half is a PKCS #8 document encrypted under the newest of the configured secrets; any of the
// older ones opens what was sealed under it.
//
// A key becomes active only after it has been published for longer than anybody may keep a key set; Rotate moves the keys on, on any node.
// Whoever activates a key retires the one that was in the same transaction. Other nodes go on signing with that one until they read the
// keys again, which is no harm: it stays published.
//
// Keys are read from the store every 30 seconds, or when Changed says so, and held parsed, with their signers: a signature touches no
// database. When the store cannot be read, the keys at hand stay in use and a warning is logged, because tokens must be signed while it
// recovers.
package signing
