// Package audit says what the audit trail holds: one entry for each thing that somebody may have to answer for later. Who did what to whom,
// when, from where, and why.
//
// An entry is written in the transaction of what it records, where there is one: both are kept or neither. Entries are never changed, and
// never deleted before their time; the database itself refuses it. They hold no secret and no token, and not what somebody typed into the
// field for the name at a login that failed: people type passwords there.
package audit
