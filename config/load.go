package config

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// maxFileSize is far more than thousands of clients need, and little enough to read at once.
const maxFileSize = 1 << 20

// Load reads the configuration from the file at path, YAML 1.2 or JSON, and from environ, lines of NAME=value as os.Environ
// returns them. An empty path means no file. What neither gives has the value of [Default]; the environment precedes the file.
//
// The warnings are to be shown; they do not stop the start. An *Error lists everything that is wrong with the configuration; another error
// says that the file cannot be read.
func Load(path string, environ []string) (*Config, []Warning, error) {
	if path == "" {
		return Parse(nil, environ)
	}
	data, err := readFile(path)
	if err != nil {
		return nil, nil, err
	}
	c, warnings, err := Parse(data, environ)
	var invalid *Error
	if errors.As(err, &invalid) {
		invalid.File = path
	}
	return c, warnings, err
}

// Parse is [Load] for a file's content. Its only error is an *Error.
func Parse(data []byte, environ []string) (*Config, []Warning, error) {
	c, r := Default(), newReport()
	readYAML(data, c, r)
	readEnvironment(environ, c, r)
	c.check(r)
	if err := r.err(""); err != nil {
		return nil, nil, err
	}
	return c, c.Warnings(), nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w; give the path of a readable file", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxFileSize+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w; give the path of a readable file", err)
	}
	if len(data) > maxFileSize {
		return nil, fmt.Errorf("configuration: %s is larger than %v; is it the right file?", path, Size(maxFileSize))
	}
	return data, nil
}
