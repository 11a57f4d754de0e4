export { type DeviceKind, PLANT, type Plant, type PlantDevice } from './plant.ts'
export { type PlantGatewayOptions, startPlantGateway } from './start-plant-gateway.ts'
