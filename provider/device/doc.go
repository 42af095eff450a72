// Package device attaches devices to people and detaches them.
//
//	           login, or attachment by an app                   by the person, an app, an operator, the
//	(unknown) ────────────────────────────────▶ attached ───────────────────────────────────────────────▶ detached
//	                                               ▲         limit, inactivity: its sessions end            │
//	                                               └───────── login in the same browser: the rules ─────────┘
//	                                                          are evaluated again
//
// A device counts for a limit while somebody is signed in on it. Whoever changes that, a login or a detachment, holds the person's devices
// (Store.Hold) first, so that of two logins for one free place one is on one device too many.
//
// An app may have a limit of its own. A device that is one too many leaves that app alone, and stays attached.
//
// Detaching is one transaction: the mark, the end of the device's sessions through the logout engine, and the event device.detached, which every
// app hears that took part in them or had attached something to the device.
package device
