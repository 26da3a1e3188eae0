// Messages between replicas: bytes, handshake, connections. Entered through this file.

export { Bus, type BusEvent, type BusOptions } from './bus.js';
