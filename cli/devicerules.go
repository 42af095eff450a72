package cli

import (
	"fmt"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/provider/identity"
	"github.com/exeunt-id/exeunt/provider/place"
)

// deviceRules returns what the configuration, which is valid, says about devices, and its database of places; nil without one. The error names
// the key.
func deviceRules(cfg *config.Config) (identity.DeviceRules, identity.Places, error) {
	d := cfg.Devices
	rules := identity.DeviceRules{
		Limit:      identity.DeviceLimit{Devices: d.Limit, Policy: identity.DevicePolicy(d.Policy)},
		Groups:     map[string]identity.DeviceLimit{},
		Inactivity: d.Inactivity, Concurrent: d.Concurrent, Velocity: d.Velocity, VelocityWindow: d.VelocityWindow, TravelSpeed: d.TravelSpeed,
	}
	for name, group := range d.GroupLimits() {
		rules.Groups[name] = identity.DeviceLimit{Devices: group.Limit, Policy: identity.DevicePolicy(group.Policy)}
	}
	for _, signal := range d.RefuseOn {
		rules.RefuseOn = append(rules.RefuseOn, identity.DeviceSignal(signal))
	}
	if d.Places == "" {
		return rules, nil, nil
	}
	places, err := place.Open(d.Places)
	if err != nil {
		return rules, nil, fmt.Errorf("devices.places: %w", err)
	}
	return rules, places, nil
}
