// Package doctor examines the logout of a relying party from outside.
//
// [Examine] sends its back-channel logout endpoint (OpenID Connect
// Back-Channel Logout 1.0) good and bad logout tokens, one rule each, and says
// of every answer what was expected, by which section, and what to do.
// [Provider] is a small OpenID Provider to point a relying party at, and
// [Drive] a browser that logs in at it, so that the logout of a real session
// can be examined too.
//
// # What a verdict means
//
//	pass        the answer is what it must be
//	warn        allowed, and unwise or less than recommended
//	fail        the specification says otherwise
//	unproven    a bad token was refused, but it was not signed by the provider, so that nobody knows whether for its fault
//	not tested  the provider's keys, a login page or something else was not given
//
// Every token names a user and a session that do not exist, unless a [Drive]
// has made them: a relying party that does as it must ends nothing.
package doctor
