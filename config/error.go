package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	Path    string // full path of the key, such as clients[2].backchannel_logout_uri; empty when the problem has none
	Message string // the offending value (never a secret) and what to do
	Line    int    // line of the file, from 1; 0 when the value does not come from the file
	Env     string // the variable that the value comes from, if any
}

// String returns "line 3, logout.wait: ..." or "EXEUNT_LOGOUT_WAIT, logout.wait: ...".
func (p Problem) String() string {
	var where []string
	if p.Line > 0 {
		where = append(where, fmt.Sprintf("line %d", p.Line))
	}
	if p.Env != "" {
		where = append(where, p.Env)
	}
	if p.Path != "" {
		where = append(where, p.Path)
	}
	if len(where) == 0 {
		return p.Message
	}
	return strings.Join(where, ", ") + ": " + p.Message
}

// Error holds everything that is wrong with a configuration: those of the file first, by line, then those of the
// environment, then what is missing.
type Error struct {
	File     string // the file's path; empty when there is none
	Problems []Problem
}

// Error returns one line for the file and one for each problem.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
	} else {
		b.WriteString("configuration")
	}
	if len(e.Problems) == 1 {
		b.WriteString(": 1 problem")
	} else {
		fmt.Fprintf(&b, ": %d problems", len(e.Problems))
	}
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// Warning is something that does not stop the start but is probably not meant.
type Warning struct {
	Path    string // full path of the key
	Message string
}

// String returns "path: message".
func (w Warning) String() string { return w.Path + ": " + w.Message }

// origin is where a value comes from.
type origin struct {
	line int
	env  string
}

// report collects problems. A key has one problem at most, the first that is found, and a key below a broken one has none: what is wrong
// there is a consequence.
type report struct {
	problems []Problem
	broken   map[string]bool
	origins  map[string]origin
}

func newReport() *report {
	return &report{broken: map[string]bool{}, origins: map[string]origin{}}
}

func (r *report) add(path, format string, args ...any) {
	r.addAt(r.origin(path), path, format, args...)
}

func (r *report) addAt(at origin, path, format string, args ...any) {
	if path != "" {
		if r.isBroken(path) {
			return
		}
		r.broken[path] = true
	}
	r.problems = append(r.problems, Problem{Path: path, Message: fmt.Sprintf(format, args...), Line: at.line, Env: at.env})
}

// isBroken reports whether the key or one that it is part of has a problem.
func (r *report) isBroken(path string) bool {
	for ; path != ""; path = parent(path) {
		if r.broken[path] {
			return true
		}
	}
	return false
}

// origin returns where the value of the key comes from; for a key that is missing, where the mapping stands that should have it.
func (r *report) origin(path string) origin {
	for ; path != ""; path = parent(path) {
		if at, ok := r.origins[path]; ok {
			return at
		}
	}
	return origin{}
}

// err returns the problems as an *Error, nil when there are none.
func (r *report) err(file string) error {
	if len(r.problems) == 0 {
		return nil
	}
	rank := func(p Problem) int {
		switch {
		case p.Line > 0:
			return p.Line
		case p.Env != "":
			return math.MaxInt - 1
		}
		return math.MaxInt
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(rank(a), rank(b)) })
	return &Error{File: file, Problems: r.problems}
}

// parent cuts the last element off a path: a[1].b, a[1], a.
func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}
