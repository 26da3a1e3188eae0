// Messages between replicas: bytes, handshake, connections. Entered through this file.

export { Bus, type BusEvent, type BusOptions, type PeerAddress } from './bus.js';
