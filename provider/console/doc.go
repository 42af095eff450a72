// Package console is what operators see on the admin listener: which relying party has been told of which logout, how each of them is, who is
// signed in; and the buttons to tell again and to end.
//
// It has a login of its own, for users who are administrators, and a session of its own in the same table as all others: whoever disables an
// administrator, changes their password or ends their sessions ends the console's too. Its cookie opens nothing but the console, and the
// cookie of a person's session does not open it. Everything works without scripts; a script of ours only keeps the pages up to date.
package console
