#!/usr/bin/env bash
# Puts the Bicep compiler at .bicep/bicep, from the NuGet package that Microsoft publishes it in. Does nothing where
# there is one already, on the PATH or from before.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=0.49.2

if command -v bicep >/dev/null || [ -x .bicep/bicep ]; then exit 0; fi
command -v dotnet >/dev/null || { echo "Neither bicep nor dotnet is on the PATH; install one of them." >&2; exit 1; }

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) platform=linux-x64 ;;
  Linux-aarch64) platform=linux-arm64 ;;
  Darwin-x86_64) platform=osx-x64 ;;
  Darwin-arm64) platform=osx-arm64 ;;
  *) echo "There is no Bicep compiler for $(uname -sm)." >&2; exit 1 ;;
esac
# NuGet keeps packages in folders of small letters; `tr`, since macOS has an old bash.
package="Azure.Bicep.CommandLine.$platform"
kept="$(echo "$package" | tr "[:upper:]" "[:lower:]")"

mkdir -p .bicep/restore
cat > .bicep/restore/restore.csproj <<PROJECT
<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <TargetFramework>net8.0</TargetFramework>
    <RestorePackagesPath>$PWD/.bicep/packages</RestorePackagesPath>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="$package" Version="[$version]" ExcludeAssets="all" />
  </ItemGroup>
</Project>
PROJECT
dotnet restore .bicep/restore/restore.csproj --nologo
mv ".bicep/packages/$kept/$version/tools/bicep" .bicep/bicep
chmod +x .bicep/bicep
rm -rf .bicep/restore .bicep/packages
.bicep/bicep --version
