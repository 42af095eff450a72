// Package identity holds the provider's domain: who logs in (User), which applications ask (Client), what a person has agreed to
// (Consent), what an application asked for (Authorization), what came of it (Grant, Token), and the rules about them. It knows no
// HTTP and no database; the interfaces here are what it needs of a store.
package identity
