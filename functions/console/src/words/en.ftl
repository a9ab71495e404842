# The whole console.
console-name = Broadcast
skip-to-content = Skip to the content

## Errors.
not-found-title = There is no such page
not-found-text = The address may be mistyped, or what it showed is deleted.
unavailable-title = Not possible at the moment
unavailable-text = Something failed on our side. Nothing of what you entered was changed. Please try again in a minute.
