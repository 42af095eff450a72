package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Size is a number of bytes. In text it is a whole number with a unit: 19MiB, 64KiB, 1GiB or 512B.
type Size int64

// The units of a Size.
const (
	Byte Size = 1
	KiB       = 1024 * Byte
	MiB       = 1024 * KiB
	GiB       = 1024 * MiB
)

var sizeUnits = []struct {
	name string
	size Size
}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", Byte}}

// ParseSize reads a size such as 19MiB.
func ParseSize(s string) (Size, error) {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(s, unit.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil || n > math.MaxInt64/uint64(unit.size) {
			break
		}
		return Size(n) * unit.size, nil
	}
	return 0, fmt.Errorf("%s is not a size; write a whole number with a unit, such as 19MiB, 64KiB or 1GiB", quote(s))
}

// String returns the size in the largest unit that shows it exactly.
func (s Size) String() string {
	for _, unit := range sizeUnits {
		if s != 0 && s%unit.size == 0 {
			return strconv.FormatInt(int64(s/unit.size), 10) + unit.name
		}
	}
	return "0B"
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%s is not a duration; write a number with a unit, such as 800ms, 10m or 720h (0 turns it off)", quote(s))
	}
	return d, nil
}

var errNotSingle = errors.New("is not a single value")

// setScalar parses text into v, whose type is one of those that Config has for a single value. Its errors never name a secret.
func setScalar(v reflect.Value, text string) error {
	switch v.Interface().(type) {
	case time.Duration:
		d, err := parseDuration(text)
		v.SetInt(int64(d))
		return err
	case Size:
		size, err := ParseSize(text)
		v.SetInt(int64(size))
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		switch text {
		case "true", "True", "TRUE":
			v.SetBool(true)
		case "false", "False", "FALSE":
			v.SetBool(false)
		default:
			return fmt.Errorf("%s is neither true nor false; write one of them", quote(text))
		}
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return fmt.Errorf("%s is not a whole number in range; write digits only, up to 2147483647", quote(text))
		}
		v.SetInt(n)
	case reflect.Float64:
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return fmt.Errorf("%s is not a number; write one such as 1 or 0.25", quote(text))
		}
		v.SetFloat(x)
	default:
		return errNotSingle
	}
	return nil
}

// quote shows an offending value: shortened, and without the password of a URL.
func quote(s string) string {
	const limit = 120
	if scheme, rest, ok := strings.Cut(s, "//"); ok {
		authority := rest
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			authority = rest[:i]
		}
		if i := strings.LastIndexByte(authority, '@'); i >= 0 {
			s = scheme + "//" + redacted + rest[i:]
		}
	}
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit]) + "..."
	}
	return strconv.Quote(s)
}
