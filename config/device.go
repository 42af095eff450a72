package config

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// The values of Devices.Policy.
const (
	DevicesNotify       = "notify"
	DevicesRefuse       = "refuse"
	DevicesDetachOldest = "detach_oldest"
	DevicesAsk          = "ask"
)

// The values of Devices.RefuseOn.
const (
	SignalConcurrentUse    = "concurrent_use"
	SignalHighVelocity     = "high_velocity"
	SignalImpossibleTravel = "impossible_travel"
)

// Devices is on how many devices people may be signed in, and what is remarkable about it.
type Devices struct {
	Limit          int            `yaml:"limit" doc:"On how many devices a person may be signed in at once; 0 is any number."`
	Policy         string         `yaml:"policy" doc:"What happens to a login on one more: ask, the person chooses a device to sign out; detach_oldest; refuse; or notify, it is let in and a device.signal goes out."`
	Groups         map[string]any `yaml:"groups" doc:"By name, other limits for the users of a group: {staff: {limit: 5, policy: refuse}}. File only."`
	Inactivity     time.Duration  `yaml:"inactivity" doc:"A device that was not used for so long is detached; 0 turns it off."`
	Concurrent     time.Duration  `yaml:"concurrent" doc:"A login while another device of the person was used within this time raises concurrent_use; 0 turns it off."`
	Velocity       int            `yaml:"velocity" doc:"More new devices of a person than this within velocity_window raise high_velocity; 0 turns it off."`
	VelocityWindow time.Duration  `yaml:"velocity_window" doc:"The window in which new devices are counted."`
	Places         string         `yaml:"places" doc:"MaxMind DB file (.mmdb) that says where network addresses are; empty for none."`
	TravelSpeed    int            `yaml:"travel_speed" doc:"Faster than so many km/h from one login to the next raises impossible_travel, with places only; 0 turns it off."`
	RefuseOn       []string       `yaml:"refuse_on" doc:"Signals for which a login is refused: concurrent_use, high_velocity, impossible_travel."`
}

// DeviceGroup is one of Devices.Groups.
type DeviceGroup struct {
	Limit  int
	Policy string
}

// maxDevices bounds every number of devices.
const maxDevices = 1 << 20

// GroupLimits returns Groups. The configuration must be valid.
func (d Devices) GroupLimits() map[string]DeviceGroup {
	return d.groups(newReport())
}

func (d Devices) check(r *report) {
	count := func(path string, n int) {
		if n < 0 || n > maxDevices {
			r.add(path, "%d is out of range; write a number from 0 to %d (0 turns it off)", n, maxDevices)
		}
	}
	duration := func(path string, value time.Duration) {
		if value < 0 {
			r.add(path, "%v is negative; write a duration from 0 (0 turns it off)", value)
		}
	}
	count("devices.limit", d.Limit)
	count("devices.velocity", d.Velocity)
	count("devices.travel_speed", d.TravelSpeed)
	duration("devices.inactivity", d.Inactivity)
	duration("devices.concurrent", d.Concurrent)
	oneOf(r, "devices.policy", d.Policy, DevicesAsk, DevicesDetachOldest, DevicesRefuse, DevicesNotify)
	if d.VelocityWindow <= 0 {
		r.add("devices.velocity_window", "%v is too short; write a duration above 0", d.VelocityWindow)
	}
	for i, signal := range d.RefuseOn {
		path := fmt.Sprintf("devices.refuse_on[%d]", i)
		oneOf(r, path, signal, SignalConcurrentUse, SignalHighVelocity, SignalImpossibleTravel)
		switch {
		case signal == SignalConcurrentUse && d.Concurrent == 0:
			r.add(path, "is never raised without devices.concurrent; set that or remove it here")
		case signal == SignalHighVelocity && d.Velocity == 0:
			r.add(path, "is never raised without devices.velocity; set that or remove it here")
		case signal == SignalImpossibleTravel && (d.TravelSpeed == 0 || d.Places == ""):
			r.add(path, "is never raised without devices.places and devices.travel_speed; set them or remove it here")
		}
	}
	d.groups(r)
}

func (d Devices) groups(r *report) map[string]DeviceGroup {
	groups := map[string]DeviceGroup{}
	for _, name := range slices.Sorted(maps.Keys(d.Groups)) {
		path := join("devices.groups", name)
		members, ok := d.Groups[name].(map[string]any)
		if !ok {
			r.add(path, "is not a mapping; write it like {limit: 5, policy: refuse}")
			continue
		}
		group := DeviceGroup{Policy: d.Policy}
		if _, there := members["limit"]; !there {
			r.add(path+".limit", "is missing; write a number of devices (0 is any number)")
		}
		for _, key := range slices.Sorted(maps.Keys(members)) {
			switch value := members[key].(type) {
			case int64:
				if key == "limit" && value >= 0 && value <= maxDevices {
					group.Limit = int(value)
					continue
				}
			case string:
				if key == "policy" {
					oneOf(r, path+".policy", value, DevicesAsk, DevicesDetachOldest, DevicesRefuse, DevicesNotify)
					group.Policy = value
					continue
				}
			}
			switch key {
			case "limit":
				r.add(path+".limit", "is out of range; write a number from 0 to %d (0 is any number)", maxDevices)
			case "policy":
				r.add(path+".policy", "is not known here; use %s, %s, %s, %s", DevicesAsk, DevicesDetachOldest, DevicesRefuse, DevicesNotify)
			default:
				r.add(join(path, showName(key)), "unknown key; a group has limit and policy")
			}
		}
		groups[name] = group
	}
	return groups
}

// checkDevices checks a user's place in it.
func (u User) checkDevices(r *report, path string, groups map[string]any) {
	if n := u.DeviceLimit; n != nil && (*n < 0 || *n > maxDevices) {
		r.add(path+"device_limit", "%d is out of range; write a number from 0 to %d (0 is any number)", *n, maxDevices)
	}
	if _, ok := groups[u.Group]; u.Group != "" && !ok {
		r.add(path+"group", "%s is not among devices.groups; add it there or correct its name", quote(u.Group))
	}
}
