// Package e2e holds the proofs that need the whole program: a real process, real HTTP, kill -9 and a real browser. It has only tests.
package e2e
