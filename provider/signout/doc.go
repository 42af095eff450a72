// Package signout is what every handler that ends a session in a browser does in the same way: find the session of the cookie, end it
// through the engine, take the cookie away, wait a moment for the relying parties, and answer.
package signout
