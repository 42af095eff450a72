// Package trace follows requests and logouts through the provider, for OpenTelemetry. docs/traces.md says what is in the spans.
//
// A request is a span, the logout that it brings about is one below it, and the first attempts to tell applications are below that, also when
// they end long after the answer. Attempts that jobs make later begin traces of their own; the attribute exeunt.logout.id leads from one to the
// other.
//
// Spans hold routes, ids, states and numbers: no query string, no token, no address and nobody's name. They are sent in the background; a
// collector that is away or slow costs spans, never time.
package trace
