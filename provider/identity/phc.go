package identity

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// What new hashes consist of (RFC 9106, 3.1 and 4).
const (
	saltBytes = 16
	keyBytes  = 32
)

// ErrPasswordHash is the parent of every refusal of a PHC string.
var ErrPasswordHash = errors.New("identity: not a usable argon2id hash")

// phcHash is a parsed "$argon2id$v=19$m=19456,t=2,p=1$salt$key": the PHC string format of argon2.
type phcHash struct {
	params PasswordParams
	salt   []byte
	key    []byte
}

// phcLimits bound what a stored hash may ask for: verifying it must not exhaust the machine, however it came into the database.
type phcLimits struct {
	memoryKiB  uint32
	iterations uint32
	lanes      uint8
	work       uint64 // memory x iterations: the time of one verification
}

var defaultPHCLimits = phcLimits{memoryKiB: 256 << 10, iterations: 64, lanes: 16, work: 1 << 20}

// raisedTo lets what the operator configured pass in any case.
func (l phcLimits) raisedTo(p PasswordParams) phcLimits {
	return phcLimits{
		memoryKiB:  max(l.memoryKiB, p.MemoryKiB),
		iterations: max(l.iterations, p.Iterations),
		lanes:      max(l.lanes, p.Parallelism),
		work:       max(l.work, uint64(p.MemoryKiB)*uint64(p.Iterations)),
	}
}

// String returns the hash in PHC string format.
func (h phcHash) String() string {
	enc := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.params.MemoryKiB, h.params.Iterations, h.params.Parallelism, enc.EncodeToString(h.salt), enc.EncodeToString(h.key))
}

// CheckPasswordHash reports whether a hash that was made elsewhere can be checked here: argon2id, at most 256 MiB of memory and 1 GiB of
// memory times iterations. The error, an ErrPasswordHash, says what is wrong and repeats nothing of salt or hash.
func CheckPasswordHash(phc string) error {
	_, err := parsePHC(phc, defaultPHCLimits)
	return err
}

// parsePHC reads a PHC string. It accepts exactly what it would write: one order of parameters, decimal numbers without leading zeros,
// unpadded base64.
func parsePHC(s string, limits phcLimits) (phcHash, error) {
	refuse := func(format string, args ...any) (phcHash, error) {
		return phcHash{}, fmt.Errorf("%w: %s", ErrPasswordHash, fmt.Sprintf(format, args...))
	}
	if len(s) > 512 {
		return refuse("it has %d characters", len(s))
	}
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" {
		return refuse("it must read $argon2id$v=19$m=...,t=...,p=...$salt$hash")
	}
	if parts[1] != "argon2id" {
		return refuse("the algorithm must be argon2id")
	}
	if parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return refuse("the version must be v=%d", argon2.Version)
	}
	costs := strings.Split(parts[3], ",")
	if len(costs) != 3 {
		return refuse("the parameters must be m, t and p in this order")
	}
	var h phcHash
	m, okM := parseCost(costs[0], "m=", uint64(limits.memoryKiB))
	t, okT := parseCost(costs[1], "t=", uint64(limits.iterations))
	p, okP := parseCost(costs[2], "p=", uint64(limits.lanes))
	if !okM || !okT || !okP {
		return refuse("m must be at most %d, t at most %d, p at most %d", limits.memoryKiB, limits.iterations, limits.lanes)
	}
	if m < 8*p { // RFC 9106, 3.1
		return refuse("m must be at least 8 times p")
	}
	if m*t > limits.work {
		return refuse("m times t must be at most %d", limits.work)
	}
	h.params = PasswordParams{MemoryKiB: uint32(m), Iterations: uint32(t), Parallelism: uint8(p)}
	var err error
	enc := base64.RawStdEncoding.Strict()
	if h.salt, err = enc.DecodeString(parts[4]); err != nil || len(h.salt) < 8 || len(h.salt) > 64 || strings.ContainsAny(parts[4], "\r\n") {
		return refuse("the salt must be 8 to 64 bytes in base64 without padding")
	}
	if h.key, err = enc.DecodeString(parts[5]); err != nil || len(h.key) < 16 || len(h.key) > 64 || strings.ContainsAny(parts[5], "\r\n") {
		return refuse("the hash must be 16 to 64 bytes in base64 without padding")
	}
	return h, nil
}

// parseCost reads one "name=number" with 1 <= number <= limit.
func parseCost(s, name string, limit uint64) (uint64, bool) {
	digits, ok := strings.CutPrefix(s, name)
	if !ok || digits == "" || digits[0] < '1' || digits[0] > '9' {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return n, err == nil && n <= limit
}
