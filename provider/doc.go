// Package provider is the complete OpenID Provider: it wires protocol endpoints, pages, stores, keys and the logout engine, and serves them
// over HTTP. provider.go wires, routes.go lists every route, errors.go is the one place that turns errors into answers.
package provider
