package cli

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// passwordFlag defines --password-stdin. A password is never an argument: the list of processes shows those to everybody.
func passwordFlag(flags *flag.FlagSet) *bool {
	return flags.Bool("password-stdin", false, "read the password from the first line of standard input, without asking")
}

// readPassword reads a password: from standard input as it is, or twice from a terminal that does not show it.
func readPassword(env Env, plain bool) (string, error) {
	file, ok := env.Stdin.(*os.File)
	if plain || !ok || !term.IsTerminal(int(file.Fd())) {
		if !plain {
			return "", usagef("standard input is no terminal that could be asked for the password; give --password-stdin")
		}
		return passwordLine(env.Stdin)
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(env.Stderr, prompt)
		defer fmt.Fprintln(env.Stderr)
		typed, err := term.ReadPassword(int(file.Fd()))
		return string(typed), err
	}
	first, err := ask("New password: ")
	if err != nil {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	again, err := ask("Again: ")
	switch {
	case err != nil:
		return "", fmt.Errorf("reading the password: %w", err)
	case first == "":
		return "", errors.New("the password is empty")
	case first != again:
		return "", errors.New("the passwords differ; nothing was changed")
	}
	return first, nil
}

// maxPasswordLine is more than any password that is accepted.
const maxPasswordLine = 4 << 10

func passwordLine(r io.Reader) (string, error) {
	if r == nil {
		return "", errors.New("there is no standard input to read the password from")
	}
	line, err := bufio.NewReader(io.LimitReader(r, maxPasswordLine)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
	if line == "" {
		return "", errors.New("the password is empty; write it to standard input, on one line")
	}
	return line, nil
}
