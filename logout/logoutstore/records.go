package logoutstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
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
		// jsonb, not json: that would be read from its beginning for each column.
		from = "jsonb_array_elements(CAST(? AS jsonb)) AS e"
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

// insert writes a list of rows into a table, in statements of at most chunk.
func insert[T any](ctx context.Context, s *Store, table string, columns []column, list []T, row func(T) []any) error {
	for some := range slices.Chunk(list, chunk) {
		text, err := encode(some, row)
		if err != nil {
			return err
		}
		query := "INSERT INTO " + table + " (" + names("", columns) + ") SELECT " + names("", columns) + " FROM " + s.records(columns)
		if err := s.db.Writer(ctx).Exec(query, text).Error; err != nil {
			return err
		}
	}
	return nil
}

// ids is the table expression of a list of ids.
var ids = []column{{"id", "TEXT"}}

// among ends a condition that a column is one of a list of ids, whose only parameter is what encodeIDs returns.
func (s *Store) among() string {
	list := "SELECT id FROM " + s.records(ids)
	if s.db.Postgres() {
		return " = ANY (ARRAY(" + list + "))" // looked up by an index; a join might read the whole table, while it is small or not yet analysed
	}
	return " IN (" + list + ")"
}

func encodeIDs(list []string) (string, error) {
	return encode(list, func(id string) []any { return []any{id} })
}
