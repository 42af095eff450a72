// Package conformance examines the provider from outside, over real HTTP, rule by rule. It holds tests only.
//
// Each test carries the name of a specification and its section: TestRPInitiatedLogout_2_ExpiredHint guards what OpenID Connect
// RP-Initiated Logout 1.0 says in section 2 about expired hints. docs/conformance.md lists every rule with the test that guards it.
//
//	Discovery_        OpenID Connect Discovery 1.0
//	Core_             OpenID Connect Core 1.0
//	OAuth_            RFC 6749
//	Bearer_           RFC 6750
//	Revocation_       RFC 7009
//	PKCE_             RFC 7636
//	Registration_     RFC 7591, RegistrationManagement_ RFC 7592, DynamicRegistration_ OpenID Connect Dynamic Client Registration 1.0
//	Introspection_    RFC 7662
//	Iss_              RFC 9207
//	BCP_              RFC 9700, best current practice for OAuth 2.0 security
//	FormPost_         OAuth 2.0 Form Post Response Mode
//	GlobalRevocation_ draft-parecki-oauth-global-token-revocation-06
//	RPInitiatedLogout_, BackChannelLogout_, FrontChannelLogout_
//	Session_, RedirectLogout_, APILogout_, Robust_   our own rules, where no specification speaks
//
// Most tests share one provider, whose clock they move forward; each test has its own browsers and sessions in it.
package conformance
