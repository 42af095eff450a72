package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

func (c *Config) checkUsers(r *report) {
	first := map[string]int{}
	for i, user := range c.Users {
		path := fmt.Sprintf("users[%d]", i)
		if at, twice := first[user.Username]; twice && user.Username != "" {
			r.add(path+".username", "%s is the username of users[%d] too; give each user another", quote(user.Username), at)
		} else {
			first[user.Username] = i
		}
		user.check(r, path+".")
		user.checkDevices(r, path+".", c.Devices.Groups)
	}
}

func (u User) check(r *report, path string) {
	switch {
	case u.Username == "":
		r.add(path+"username", "is missing; give the user a name")
	case !utf8.ValidString(u.Username) || len(u.Username) > 255 || strings.TrimSpace(u.Username) != u.Username || strings.ContainsFunc(u.Username, unicode.IsControl):
		r.add(path+"username", "%s is not a username; write at most 255 bytes without control characters and without spaces around them", quote(u.Username))
	}
	switch {
	case u.Password == "" && u.PasswordHash == "":
		r.add(path+"password", "is missing; give password or password_hash")
	case u.Password != "" && u.PasswordHash != "":
		r.add(path+"password", "is given beside password_hash; remove one of them")
	case u.PasswordHash != "":
		if err := checkPasswordHash(u.PasswordHash.Reveal()); err != nil {
			r.add(path+"password_hash", "%v", err)
		}
	}
	if u.Email != "" {
		if a, err := mail.ParseAddress(u.Email); err != nil || a.Address != u.Email {
			r.add(path+"email", "%s is not an e-mail address; write it like alice@example.com", quote(u.Email))
		}
	}
	checkClaims(u.Claims, r, path+"claims")
}

// phc is the string format that argon2's reference implementation writes; unpadded standard base64.
var phc = regexp.MustCompile(`^\$argon2id\$v=19\$m=([1-9][0-9]{0,9}),t=([1-9][0-9]{0,9}),p=([1-9][0-9]{0,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$`)

// checkPasswordHash checks form and bounds (RFC 9106, 3.1). Its errors do not show the hash.
func checkPasswordHash(hash string) error {
	parts := phc.FindStringSubmatch(hash)
	if parts == nil {
		return errors.New("is not an argon2id hash in PHC format; it looks like $argon2id$v=19$m=19456,t=2,p=1$salt$hash")
	}
	memory, _ := strconv.ParseUint(parts[1], 10, 64) // the expression admits digits only
	passes, _ := strconv.ParseUint(parts[2], 10, 64)
	lanes, _ := strconv.ParseUint(parts[3], 10, 64)
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	sum, sumErr := base64.RawStdEncoding.DecodeString(parts[5])
	switch {
	case lanes > 255 || passes > 1000 || memory < 8*lanes || memory > uint64(4*GiB/KiB):
		return errors.New("has parameters out of range; use m from 8 for each lane to 4194304, t from 1 to 1000, p from 1 to 255")
	case saltErr != nil || sumErr != nil:
		return errors.New("has a salt or a hash that is not unpadded base64; copy the whole string")
	case len(salt) < 8 || len(sum) < 16:
		return errors.New("is too short; use a salt of 8 bytes or more and a hash of 16 bytes or more")
	}
	return nil
}

// The kinds of values that claims have.
const (
	textClaim    = "text, in quotes if it looks like a number"
	boolClaim    = "true or false"
	numberClaim  = "a number"
	addressClaim = "a mapping with formatted, street_address, locality, region, postal_code, country"
)

// standardClaims are those of OpenID Connect Core 1.0, 5.1, that a user of the file may have.
var standardClaims = map[string]string{
	"name": textClaim, "given_name": textClaim, "family_name": textClaim, "middle_name": textClaim, "nickname": textClaim,
	"preferred_username": textClaim, "profile": textClaim, "picture": textClaim, "website": textClaim, "gender": textClaim,
	"birthdate": textClaim, "zoneinfo": textClaim, "locale": textClaim, "updated_at": numberClaim,
	"email_verified": boolClaim, "phone_number": textClaim, "phone_number_verified": boolClaim, "address": addressClaim,
}

// reservedClaims are said by the provider itself, and why.
var reservedClaims = func() map[string]string {
	reserved := map[string]string{
		"sub":   "the provider issues subjects itself; remove it",
		"email": "an address here would contradict the user's; set the key email of the user",
	}
	for _, name := range strings.Fields("iss aud exp nbf iat jti sid auth_time nonce acr amr azp at_hash c_hash s_hash events client_id scope") {
		reserved[name] = "the provider sets this claim itself; remove it"
	}
	return reserved
}()

// addressMembers are those of OpenID Connect Core 1.0, 5.1.1.
var addressMembers = strings.Fields("formatted street_address locality region postal_code country")

func checkClaims(claims map[string]any, r *report, path string) {
	for _, name := range slices.Sorted(maps.Keys(claims)) {
		value, at := claims[name], join(path, name)
		if reason, ok := reservedClaims[name]; ok {
			r.add(at, "%s", reason)
			continue
		}
		// userinfo leaves out what a user does not have (OpenID Connect Core 1.0, 5.3.2)
		if value == nil || value == "" {
			r.add(at, "is empty; write a value or remove it")
			continue
		}
		standard, _, _ := strings.Cut(name, "#") // name#ja: Core 5.2
		want, ok := standardClaims[standard]
		switch {
		case !ok:
		case want == addressClaim:
			checkAddress(value, r, at)
		case !isClaim(want, value):
			r.add(at, "has a value of another kind; write %s", want)
		}
	}
}

func checkAddress(value any, r *report, path string) {
	address, ok := value.(map[string]any)
	if !ok || len(address) == 0 {
		r.add(path, "has a value of another kind; write %s", addressClaim)
		return
	}
	for _, name := range slices.Sorted(maps.Keys(address)) {
		at := join(path, name)
		if !slices.Contains(addressMembers, name) {
			r.add(at, "unknown member; write %s", addressClaim)
		} else if text, ok := address[name].(string); !ok || text == "" {
			r.add(at, "has a value of another kind; write %s", textClaim)
		}
	}
}

func isClaim(kind string, value any) bool {
	switch kind {
	case textClaim:
		_, ok := value.(string)
		return ok
	case boolClaim:
		_, ok := value.(bool)
		return ok
	case numberClaim:
		switch value.(type) {
		case int, int64, float64:
			return true
		}
	}
	return false
}
