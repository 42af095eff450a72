package logoutstore

import (
	"encoding/json"
	"fmt"
	"strings"
)

// column is one of a list of records that travels to the database as a single JSON parameter: however many records there are, the statement
// is the same, so that connections do not fill up with prepared statements of every length.
type column struct {
	name string
	kind string // TEXT or BIGINT
}

// records returns a table expression of one parameter, a JSON array of arrays in the order of the columns.
func (s *Store) records(columns []column) string {
	fields := make([]string, len(columns))
	for i, c := range columns {
		if s.db.Postgres() {
			fields[i] = fmt.Sprintf("CAST(e->>%d AS %s) AS %s", i, c.kind, c.name)
		} else {
			fields[i] = fmt.Sprintf("json_extract(value, '$[%d]') AS %s", i, c.name)
		}
	}
	from := "json_each(?)"
	if s.db.Postgres() {
		from = "json_array_elements(CAST(? AS json)) AS e"
	}
	return "(SELECT " + strings.Join(fields, ", ") + " FROM " + from + ") AS v"
}

// names lists the columns, each with a prefix.
func names(prefix string, columns []column) string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = prefix + c.name
	}
	return strings.Join(all, ", ")
}

// encode returns the parameter of records.
func encode[T any](list []T, row func(T) []any) (string, error) {
	rows := make([][]any, len(list))
	for i, item := range list {
		rows[i] = row(item)
	}
	text, err := json.Marshal(rows)
	if err != nil {
		return "", fmt.Errorf("logoutstore: %w", err)
	}
	return string(text), nil
}

// ids is the table expression of a list of ids.
var ids = []column{{"id", "TEXT"}}

func encodeIDs(list []string) (string, error) {
	return encode(list, func(id string) []any { return []any{id} })
}
