// Package migrations embeds the SQL files of the schema: two lines, logout and provider, each for PostgreSQL and SQLite. The logout line
// can be run alone by a program that uses the logout package without the provider; no foreign key crosses from one line to the other.
package migrations

import "embed"

// FS holds {logout,provider}/{postgres,sqlite}/NNNNN_name.sql in the format of goose.
//
//go:embed logout/*/*.sql provider/*/*.sql
var FS embed.FS
