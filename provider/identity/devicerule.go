package identity

import (
	"cmp"
	"slices"
	"time"
)

// DevicePolicy says what happens to a login that would be on one device too many.
type DevicePolicy string

// The policies.
const (
	DeviceNotify       DevicePolicy = "notify"        // it is let in; who wants to know is told
	DeviceRefuse       DevicePolicy = "refuse"        // it is not let in
	DeviceDetachOldest DevicePolicy = "detach_oldest" // the device that was seen longest ago is detached
	DeviceAsk          DevicePolicy = "ask"           // the person chooses which device is detached
)

// DeviceSignal is something about a person's devices that may be worth a look.
type DeviceSignal string

// The signals.
const (
	SignalTooManyDevices   DeviceSignal = "too_many_devices"  // there is one more than the limit allows
	SignalConcurrentUse    DeviceSignal = "concurrent_use"    // another device was active just now
	SignalHighVelocity     DeviceSignal = "high_velocity"     // many new devices in a short time
	SignalImpossibleTravel DeviceSignal = "impossible_travel" // nobody gets so fast from the place of one login to that of the next
)

// DeviceLimit is how many devices a person may be signed in on. The zero value is no limit.
type DeviceLimit struct {
	Devices int // 0: any number
	Policy  DevicePolicy
}

// DeviceRules is what the operator says about devices. A zero field turns its rule off.
type DeviceRules struct {
	Limit      DeviceLimit            // of everybody
	Groups     map[string]DeviceLimit // of the people in a group, instead
	Inactivity time.Duration          // after this without activity a device is detached

	Concurrent     time.Duration // a login while another device was active within this time is SignalConcurrentUse
	Velocity       int           // more new devices than this within VelocityWindow are SignalHighVelocity
	VelocityWindow time.Duration
	TravelSpeed    int // km/h; faster between two logins is SignalImpossibleTravel

	RefuseOn []DeviceSignal // logins that raise one of these are not let in; any but SignalTooManyDevices, which has a policy
}

// LimitOf returns a person's limit: their own, or that of their group, or the general one. A limit of their own has the policy of what it
// replaces.
func (r DeviceRules) LimitOf(user User) DeviceLimit {
	limit, ok := r.Groups[user.DeviceGroup]
	if !ok {
		limit = r.Limit
	}
	if user.DeviceLimit != nil {
		limit.Devices = *user.DeviceLimit
	}
	limit.Policy = cmp.Or(limit.Policy, DeviceAsk)
	return limit
}

// Exceeding returns the devices, of those that are attached, beside which there is no room for one more: all that count, the one that was seen
// longest ago first. It returns none when there is room. Those with one of the ids are the one that arrives, and do not count.
func (l DeviceLimit) Exceeding(attached []Device, arriving ...string) []Device {
	if l.Devices <= 0 {
		return nil
	}
	var counted []Device
	for _, d := range attached {
		if d.SignedIn && !d.Excluded && !slices.Contains(arriving, d.ID) {
			counted = append(counted, d)
		}
	}
	if len(counted) < l.Devices {
		return nil
	}
	slices.SortStableFunc(counted, func(a, b Device) int { return a.SeenAt.Compare(b.SeenAt) })
	return counted
}

// travelTolerance is the distance, in kilometres, that says nothing: databases of places are not more exact.
const travelTolerance = 200

// Signals returns what a login on a device raises. known are the person's devices as they were before, the device itself too if it was known;
// recent says how many devices were new within VelocityWindow, this one included.
func (r DeviceRules) Signals(arriving Device, known []Device, recent int, at time.Time) []DeviceSignal {
	var raised []DeviceSignal
	isOther := func(d Device) bool { return d.ID != arriving.ID }
	if r.Concurrent > 0 && slices.ContainsFunc(known, func(d Device) bool { return isOther(d) && d.SignedIn && at.Sub(d.SeenAt) < r.Concurrent }) {
		raised = append(raised, SignalConcurrentUse)
	}
	if r.Velocity > 0 && recent > r.Velocity && !slices.ContainsFunc(known, func(d Device) bool { return !isOther(d) }) {
		raised = append(raised, SignalHighVelocity)
	}
	if r.TravelSpeed > 0 && tooFast(arriving.Place, known, at, float64(r.TravelSpeed)) {
		raised = append(raised, SignalImpossibleTravel)
	}
	return raised
}

// tooFast compares with the last login of which the place is known.
func tooFast(to Place, known []Device, at time.Time, speed float64) bool {
	var last Device
	for _, d := range known {
		if d.Place.Located && d.PlacedAt.After(last.PlacedAt) {
			last = d
		}
	}
	distance := last.Place.Distance(to)
	return distance > travelTolerance && distance > speed*at.Sub(last.PlacedAt).Hours()
}
